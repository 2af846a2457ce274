-- Which resources are what somebody has said themselves: told from who was signed in, never from what it says. Of what is there
-- already it is not known, so it goes on to have every label of what it speaks about.
CREATE TABLE own_words (
    resource BIGINT NOT NULL PRIMARY KEY
);
