"""``lambdachain map``: from the lines of one file to the lines of another, once each, over crashes."""
