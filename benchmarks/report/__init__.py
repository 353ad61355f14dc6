"""Tables, sentences, plots and pages made from the analysis: no torch."""
