-- The definitions of profiles and extensions that are in use besides those that ship: from a package that an operator has
-- added, or from a StructureDefinition that is stored; as a StructureDefinition with what is checked by it and no more.
CREATE TABLE definition (
    source TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (source, url, version)
);

-- Which moment's they are: another number after every change.
INSERT INTO setting (name, value) VALUES ('definitions', '0');
