# lwIP's own unit tests: see net/
