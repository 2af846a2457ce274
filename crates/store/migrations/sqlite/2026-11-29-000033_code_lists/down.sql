DROP TABLE code_list;
DELETE FROM setting WHERE name = 'code_lists';
