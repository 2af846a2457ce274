DROP TABLE search_parameter;
DELETE FROM setting WHERE name = 'search-parameters';
