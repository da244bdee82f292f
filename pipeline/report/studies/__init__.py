"""What each study says: its rows summarised over seeds, in numbers, sentences and a figure."""
