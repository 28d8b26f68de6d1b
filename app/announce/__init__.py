"""
Who is told what became of a recording: outgoing webhooks, after https://www.standardwebhooks.com.

`news` says what is announced (written with the commit of the state), `payload` and `signing` make the
request, `exchange` sends it, `schedule` says when it is repeated, `sender` does one announcement, `lanes`
many at once, `offers` hands over again what is due again.
The rows are kept by `app.adapters.sql.announcements`.
"""
