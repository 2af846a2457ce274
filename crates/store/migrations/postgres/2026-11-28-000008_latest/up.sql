-- The rows of codes and of records bear the clinical date of their resource, minus infinity where there is none, so that the
-- latest of a record are read in their order (`store::latest`). A test holds the numbers against the search parameters.
ALTER TABLE entry ADD COLUMN dated DOUBLE PRECISION;
UPDATE entry SET dated = coalesce((SELECT max(d.high) FROM entry d WHERE d.resource = entry.resource AND d.parameter IN (
    -2120751632, -2033902735, -2011905026, -1999464133, -1885528300, -1695053592, -1634736520, -1497361761,
    -1391806837, -1074369911, -1045390427, -996777105, -800228497, -607227504, -537261335, -519933105,
    -435874970, -197536792, -172882409, 45843955, 51225850, 156129359, 164343167, 342905857,
    514640789, 644383354, 685406682, 851803001, 1005140087, 1087133587, 1157034533, 1162459361,
    1344406117, 1549620051, 1637192318, 1807937361, 2019384729, 2063125176, 2070973618, 2089022869,
    2117653112
)), '-Infinity')
WHERE parameter IN (
    -2110081351, -2055879771, -2028141180, -1956755331, -1945242043, -1814693434, -1708878562, -1690669432,
    -1608117627, -1601505316, -1557378913, -1556514280, -1555152208, -1527083167, -1507645092, -1497826581,
    -1496594511, -1481077534, -1419454108, -1370655065, -1315084755, -1287035271, -1238297669, -1231126741,
    -1212866371, -1199941128, -1189572905, -1186287569, -1157646592, -1030810972, -1017480738, -968631640,
    -912031937, -839958633, -821625093, -791093983, -765952993, -551874328, -546269884, -465200241,
    -445231051, -319882497, -282115040, -235710712, -174415021, -110904551, 16100407, 71400075,
    134191204, 180729735, 199643533, 286182703, 315902878, 318390327, 322849343, 339302106,
    399767869, 528821227, 545283290, 571115561, 576655183, 587156798, 600470744, 665144059,
    734760785, 756534747, 795237829, 820218883, 828063774, 873829233, 949130983, 971820038,
    987631651, 990640151, 1114310340, 1117042635, 1229170693, 1298505136, 1327508757, 1414504885,
    1536140445, 1656680091, 1697783758, 1785360577, 1834024051, 1951671668, 1971214501, 2017870229,
    2113266920
) OR (parameter = 539442875 AND key IN (
    'AdverseEvent', 'AllergyIntolerance', 'Appointment', 'CarePlan', 'CareTeam', 'ChargeItem',
    'Claim', 'ClinicalImpression', 'Communication', 'CommunicationRequest', 'Composition', 'Condition',
    'Consent', 'DetectedIssue', 'DeviceRequest', 'DiagnosticReport', 'DocumentManifest', 'DocumentReference',
    'Encounter', 'EpisodeOfCare', 'ExplanationOfBenefit', 'FamilyMemberHistory', 'Flag', 'Goal',
    'ImagingStudy', 'Immunization', 'List', 'Media', 'MedicationAdministration', 'MedicationDispense',
    'MedicationRequest', 'MedicationStatement', 'NutritionOrder', 'Observation', 'Procedure', 'QuestionnaireResponse',
    'RequestGroup', 'RiskAssessment', 'ServiceRequest', 'Specimen', 'Task'
));
CREATE INDEX entry_latest ON entry (parameter, key, patient, dated DESC, resource) WHERE dated IS NOT NULL;
