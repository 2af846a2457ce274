DROP INDEX broken_glass_who;
