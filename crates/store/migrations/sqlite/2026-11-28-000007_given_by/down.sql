DROP TABLE given_by;
