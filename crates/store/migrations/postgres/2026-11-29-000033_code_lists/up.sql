-- The code systems and value sets, by what they are called, that checks of profiles may look for among what is stored: those
-- of registered systems.
CREATE TABLE code_list (
    resource BIGINT PRIMARY KEY,
    type TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

-- Which moment's they are: another number after every change.
INSERT INTO setting (name, value) VALUES ('code_lists', '0');
