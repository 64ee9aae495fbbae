"""``lambdachain init``: a project of two functions that call each other, from the files in ``project``.

``project_name`` derives names from the directory, ``project_files`` renders the files and writes all of them or none.
Each file in ``project`` ends with ``.tmpl``, so that no tool takes it for code of this package, and has
``string.Template``'s placeholders.
"""
