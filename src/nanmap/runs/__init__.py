"""Where compute meets disk: sweeps and single trainings, resumed and observed."""
