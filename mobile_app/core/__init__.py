"""What the app does, without a screen: pure Python and numpy, no Kivy."""
