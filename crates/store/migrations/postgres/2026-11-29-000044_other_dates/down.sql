UPDATE entry SET dated = NULL WHERE dated IS NOT NULL AND (key = '' OR (parameter = 539442875 AND key = 'Provenance'));
