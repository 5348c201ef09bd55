"""Pictures and text of environment states; nothing here is imported before something is drawn."""
