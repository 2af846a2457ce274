DROP TABLE definition;
DELETE FROM setting WHERE name = 'definitions';
