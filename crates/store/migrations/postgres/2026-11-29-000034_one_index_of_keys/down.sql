-- PostgreSQL keeps equal keys once, in an index without dates: nothing changes here.
SELECT 1;
