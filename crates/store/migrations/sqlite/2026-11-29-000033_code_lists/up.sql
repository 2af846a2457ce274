-- The code systems and value sets, by what they are called, that checks of profiles may look for among what is stored: those
-- of registered systems.
CREATE TABLE code_list (
    resource INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    url TEXT NOT NULL,
    version TEXT NOT NULL,
    number INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);

-- Which moment's they are: another number after every change.
INSERT INTO setting (name, value) VALUES ('code_lists', '0');
