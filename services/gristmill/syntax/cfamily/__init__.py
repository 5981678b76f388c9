"""C, C++ and their kin: what has to be done about the preprocessor before a grammar can judge."""
