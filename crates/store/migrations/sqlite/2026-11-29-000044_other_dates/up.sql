-- Dates and numbers bear their own end, so that a record is read in the order of any of them (`store::latest::other`); not the
-- clinical dates, which other rows bear. A Provenance has one now. A test holds the numbers against the search parameters.
UPDATE entry SET dated = high WHERE key = '' AND high IS NOT NULL AND parameter NOT IN (
    -2120751632, -2033902735, -2011905026, -1999464133, -1885528300, -1695053592, -1634736520, -1497361761,
    -1391806837, -1074369911, -1045390427, -996777105, -800228497, -607227504, -537261335, -519933105,
    -435874970, -197536792, -172882409, 45843955, 51225850, 156129359, 164343167, 342905857,
    514640789, 644383354, 685406682, 851803001, 1005140087, 1087133587, 1157034533, 1162459361,
    1344406117, 1549620051, 1637192318, 1807937361, 1838461736, 2019384729, 2063125176, 2070973618,
    2089022869, 2117653112
);
UPDATE entry SET dated = coalesce((SELECT max(d.high) FROM entry d WHERE d.resource = entry.resource AND d.parameter = 1838461736), -9e999)
WHERE parameter = 539442875 AND key = 'Provenance';
CREATE INDEX entry_when ON entry (parameter, patient, dated DESC, resource) WHERE key = '' AND dated IS NOT NULL;
