"""Loads a file into the warehouse when it is uploaded: once, however often its event comes.

Runs unchanged on AWS Lambda with Amazon Redshift: only redshift_connector and plain Redshift SQL.
"""

import os
from pathlib import Path
from urllib.parse import unquote_plus

import redshift_connector

TABLE = os.environ.get("FLIGHTS_TABLE", "flights")
LEDGER = f"{TABLE}_ledger"
COLUMNS = (
    "year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay,"
    " carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour"
)
BROKEN = (redshift_connector.InterfaceError, redshift_connector.OperationalError, OSError)

_connection = None  # lives as long as this instance: warm calls find it open


def handler(event, context):
    try:
        return [load_file(record["s3"], context.aws_request_id) for record in event["Records"]]
    except BaseException:
        forget()  # what the session had begun goes with it; the platform sends the event again
        raise


def load_file(s3, request_id):
    """Load the uploaded file, over a new connection if the warehouse dropped the old one meanwhile."""
    key = unquote_plus(s3["object"]["key"])
    try:
        rows = load(warehouse(), s3["bucket"]["name"], key, s3["object"], request_id)
    except BROKEN:
        forget()
        rows = load(warehouse(), s3["bucket"]["name"], key, s3["object"], request_id)
    return {"key": key, "rows": rows, "status": "already loaded" if rows is None else "loaded"}


def load(connection, bucket, key, uploaded, request_id):
    """Bring the table up to this version of the file; None when it, or a newer one, is there already.

    S3 may deliver an event twice, late and out of order. The larger `sequencer` is the newer version of a
    key, so a file is loaded only if the ledger does not know a sequencer as large, and what is loaded
    replaces the rows of the version before. Ledger and rows change in one transaction: both or neither.
    """
    cursor = connection.cursor()
    copy_to_stage(cursor, bucket, key)
    connection.commit()
    # The lock comes first, so that this transaction sees all that those before it have written. Loads of
    # one table take turns from here on, which is why the copying was done before.
    cursor.execute(f"LOCK {LEDGER}")
    known = known_sequencer(cursor, bucket, key)
    if is_loaded(known, uploaded["sequencer"]):
        connection.rollback()
        return None
    rows = put_in(cursor, bucket, key, uploaded, known, request_id)
    connection.commit()
    return rows


def copy_to_stage(cursor, bucket, key):
    cursor.execute("DROP TABLE IF EXISTS stage")
    cursor.execute(f"CREATE TEMP TABLE stage (LIKE {TABLE})")
    cursor.execute(
        f"COPY stage ({COLUMNS}) FROM {literal(f's3://{bucket}/{key}')} IAM_ROLE default"
        " CSV IGNOREHEADER 1 GZIP NULL AS 'NA' TIMEFORMAT 'auto'"
    )


def put_in(cursor, bucket, key, uploaded, known, request_id):
    """Move the stage into the table and write the ledger; the number of rows."""
    if known is not None:
        cursor.execute(f"DELETE FROM {TABLE} WHERE source_key = %s", (key,))
        cursor.execute(f"DELETE FROM {LEDGER} WHERE bucket = %s AND object_key = %s", (bucket, key))
    cursor.execute(f"INSERT INTO {TABLE} SELECT {COLUMNS}, %s FROM stage", (key,))
    rows = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {LEDGER} VALUES (%s, %s, %s, %s, %s, %s, GETDATE())",
        (bucket, key, uploaded["eTag"], uploaded["sequencer"], rows, request_id),
    )
    return rows


def known_sequencer(cursor, bucket, key):
    cursor.execute(f"SELECT sequencer FROM {LEDGER} WHERE bucket = %s AND object_key = %s", (bucket, key))
    row = cursor.fetchone()
    return row and row[0]


def is_loaded(known, sequencer):
    """Sequencers are hexadecimal and compare as text, the shorter one filled up with zeros at its right."""
    length = max(len(known or ""), len(sequencer))
    return known is not None and known.ljust(length, "0") >= sequencer.ljust(length, "0")


def literal(text):
    """COPY takes no parameters: its source is written into the statement."""
    return "'" + text.replace("'", "''") + "'"


def warehouse():
    global _connection
    if _connection is None:
        _connection = redshift_connector.connect(
            host=os.environ["REDSHIFT_HOST"],
            port=int(os.environ["REDSHIFT_PORT"]),
            database=os.environ["REDSHIFT_DATABASE"],
            user=os.environ["REDSHIFT_USER"],
            password=os.environ["REDSHIFT_PASSWORD"],
        )
        create_tables(_connection)
    return _connection


def forget():
    global _connection
    broken, _connection = _connection, None
    try:
        if broken:
            broken.close()
    except BROKEN:
        pass  # it was gone already


def create_tables(connection):
    """Make what is missing. Instances that start together may collide on it; then the others' is there."""
    schema = Path(__file__).with_name("schema.sql").read_text().format(table=TABLE)
    try:
        run_script(connection, schema)
    except (redshift_connector.ProgrammingError, redshift_connector.IntegrityError):
        connection.rollback()
        run_script(connection, schema)


def run_script(connection, script):
    cursor = connection.cursor()
    for statement in filter(str.strip, script.split(";")):
        cursor.execute(statement)
    connection.commit()
