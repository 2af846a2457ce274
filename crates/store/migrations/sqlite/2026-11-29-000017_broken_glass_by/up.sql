-- Emergency access is looked up by who declared it too: what they search by the number of a patient is found in the records that
-- they have opened.
CREATE INDEX broken_glass_who ON broken_glass (who, since);
