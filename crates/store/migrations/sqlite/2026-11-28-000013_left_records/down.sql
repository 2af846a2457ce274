DROP TABLE left_record;
