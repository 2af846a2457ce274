DROP VIEW label_link;
DROP TABLE label_content;
