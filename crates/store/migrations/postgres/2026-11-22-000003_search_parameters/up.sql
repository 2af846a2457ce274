-- The search parameters that operators have added, one row for each type, in the form of the table of R4's.
CREATE TABLE search_parameter (
    number BIGINT NOT NULL PRIMARY KEY,
    resource BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    url TEXT NOT NULL,
    definition TEXT NOT NULL,
    state SMALLINT NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL
);

-- Which moment's they are: another number after every change.
INSERT INTO setting (name, value) VALUES ('search-parameters', '0');
