"""Logs result files to MLflow. The files are the truth; MLflow is a view of them."""
