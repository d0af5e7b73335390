"""Documents that are edited together: a log of Yjs updates in PostgreSQL, and no document kept in memory."""
