"""
Recall's transcript JSON -> the files people read. Pure: reads and writes file objects it is handed.

    summary = render(downloaded, {"sentences.json": s, "transcript.txt": t})

Reading order: model (the records), reader (JSON to turns), lenient (what is not quite JSON), speakers and
text (who, and how words join), sentences (turns to sentences), formats/ (one module per format), render (all
of it together), manifest (the file that says a result is whole). Without attempts, webhooks or
storage.
"""
