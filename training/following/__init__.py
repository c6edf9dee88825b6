"""Following: how what is heard grows to an answer, fitted on sequences and judged by replaying them."""
