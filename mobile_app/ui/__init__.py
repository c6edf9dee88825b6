"""The screens: Kivy."""
