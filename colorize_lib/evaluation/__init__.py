"""How good a colorization is: metrics, intervals, baselines, recorded results and the claims they decide."""
