"""Networks of the user's own: any module of torch and snnTorch parts, pruned through its own forward."""
