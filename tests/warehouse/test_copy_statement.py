"""The grammar of COPY: options in any order, each refusal with its option's name."""

from itertools import permutations

import pytest

from lambent.warehouse.copy_statement import CopyStatement, is_copy_from_s3, parse_copy
from lambent.warehouse.edit import Edit
from lambent.warehouse.errors import Refused
from lambent.warehouse.tokens import tokens


def parsed(sql: str) -> CopyStatement:
    edit = Edit(list(tokens(sql)))
    assert is_copy_from_s3(edit)
    return parse_copy(edit)


def test_options_in_any_order() -> None:
    options = ["IAM_ROLE default", "CSV", "IGNOREHEADER 1", "GZIP", "NULL AS 'NA'", "TIMEFORMAT 'auto'"]
    expected = CopyStatement(
        table="t", bucket="b", prefix="k/2013", role="default", csv=True, null="NA", header_lines=1, gzip=True
    )
    for order in permutations(options):
        assert parsed(f"COPY t FROM 's3://b/k/2013' {' '.join(order)}") == expected


def test_every_option_that_is_known() -> None:
    copy = parsed(
        """copy "S".t ("A", b) from 's3://b/k' credentials 'aws_iam_role=arn:aws:iam::123456789012:role/a/b'
           with format as csv quote as '%' delimiter as '\\t' ignoreheader as 2 emptyasnull blanksasnull
           ignoreblanklines manifest region as 'eu-west-1' compupdate off statupdate true comprows 100
           maxerror as 0 encoding as utf8 dateformat 'auto' null as '\\N'"""
    )
    assert copy == CopyStatement(
        table='"S".t',
        columns=('"A"', "b"),
        bucket="b",
        prefix="k",
        role="arn:aws:iam::123456789012:role/a/b",
        csv=True,
        quote="%",
        delimiter="\t",
        header_lines=2,
        manifest=True,
        empty_as_null=True,
        blanks_as_null=True,
        ignore_blank_lines=True,
    )
    assert copy.name == "t"
    assert copy.sql.startswith('COPY "S".t ("A", b) FROM STDIN (FORMAT csv, DELIMITER \'\t\'')


@pytest.mark.parametrize(
    ("delimiter", "character"), [("|", "|"), (r"\t", "\t"), (r"\054", ","), (r"\1", "\1")]
)
def test_delimiters(delimiter: str, character: str) -> None:
    assert parsed(f"copy t from 's3://b/k' iam_role default delimiter '{delimiter}'").separator == character


def test_the_delimiter_depends_on_the_format() -> None:
    assert parsed("copy t from 's3://b/k' iam_role default").separator == "|"
    assert parsed("copy t from 's3://b/k' iam_role default csv").separator == ","


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("csv", "needs an authorization"),
        ("iam_role default credentials 'aws_iam_role=x'", "only one of"),
        ("iam_role 'loader'", "Invalid IAM role ARN 'loader'"),
        ("credentials 'aws_access_key_id=a;aws_secret_access_key=b'", "access keys is not supported"),
        ("iam_role default delimiter 'ab'", "DELIMITER must be a single ASCII character, not 'ab'"),
        ("iam_role default csv quote ','", "DELIMITER and QUOTE must differ"),
        ("iam_role default csv null as 'a,b'", "NULL AS 'a,b' must not hold the delimiter"),
        ("iam_role default ignoreheader 'x'", "IGNOREHEADER needs a whole number"),
        ("iam_role default ignoreheader 1.5", "IGNOREHEADER needs a whole number"),
        ("iam_role default null", "NULL needs a string"),
        ("iam_role default maxerror 2", "MAXERROR 2 is not supported"),
        ("iam_role default dateformat 'DD.MM.YY'", "DATEFORMAT 'DD.MM.YY' is not supported"),
        ("iam_role default timeformat 'epochsecs'", "TIMEFORMAT 'epochsecs' is not supported"),
        ("iam_role default encoding utf16", "ENCODING UTF16 is not supported"),
        ("iam_role default format parquet", "PARQUET is not supported"),
        ("iam_role default fixedwidth 'a:1'", "FIXEDWIDTH is not supported"),
        ("iam_role default fast", "'FAST': COPY has no such option"),
        ("iam_role default , csv", "expects an option"),
    ],
)
def test_a_refusal_names_the_option(options: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        parsed(f"copy t from 's3://b/k' {options}")
    assert words in caught.value.words


@pytest.mark.parametrize("source", ["stdin", "program 'x'", "$1"])
def test_other_sources_are_postgresqls(source: str) -> None:
    assert not is_copy_from_s3(Edit(list(tokens(f"copy t from {source}"))))
