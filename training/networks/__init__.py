"""Networks: what they take of a recording, how they are built, kept in files, and merged."""
