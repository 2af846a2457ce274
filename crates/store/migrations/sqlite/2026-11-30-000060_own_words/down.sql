DROP TABLE own_words;
