-- Version 6: everything that IAM keeps is a row of one table.

CREATE TABLE identities (
    kind TEXT NOT NULL,                     -- role, user, group, policy, key: store/directory.py
    account TEXT NOT NULL, name TEXT NOT NULL,
    entity TEXT,                            -- JSON; NULL for the name of a role that was deleted
    PRIMARY KEY (kind, account, name)
);

-- Until now policies were not evaluated: a role that has none goes on as before.
INSERT INTO identities SELECT 'role', account, name, CASE
    WHEN json_array_length(role, '$.attached') = 0 AND json_extract(role, '$.inline') = '{}'
    THEN json_set(role, '$.attached', json('["arn:aws:iam::aws:policy/PowerUserAccess"]'))
    ELSE role END FROM roles;
DROP TABLE roles;

-- Resource policies are kept as the documents that they are.
UPDATE policies SET permissions = json_object('Version', '2012-10-17', 'Id', 'default', 'Statement', (
    SELECT json_group_array(json_patch('{}', json_object(
        'Sid', json_extract(value, '$.sid'),
        'Effect', 'Allow',
        'Principal', json(CASE
            WHEN json_extract(value, '$.principal') = '*' THEN '"*"'
            WHEN json_extract(value, '$.principal') GLOB 'arn:*'
            THEN json_object('AWS', json_extract(value, '$.principal'))
            WHEN json_extract(value, '$.principal') GLOB '*[^0-9]*'
            THEN json_object('Service', json_extract(value, '$.principal'))
            ELSE json_object('AWS', 'arn:aws:iam::' || json_extract(value, '$.principal') || ':root') END),
        'Action', json_extract(value, '$.action'),
        'Resource', 'arn:aws:lambda:' || region || ':' || account || ':function:' || name
            || CASE qualifier WHEN '' THEN '' ELSE ':' || qualifier END,
        'Condition', json(nullif(json_patch('{}', json_object(
            'StringEquals', json(nullif(json_patch('{}', json_object(
                'AWS:SourceAccount', json_extract(value, '$.source_account'),
                'lambda:FunctionUrlAuthType', json_extract(value, '$.url_auth_type'),
                'aws:PrincipalOrgID', json_extract(value, '$.organization'),
                'lambda:EventSourceToken', json_extract(value, '$.event_source_token'))), '{}')),
            'Bool', CASE json_extract(value, '$.via_url')
                WHEN 1 THEN json_object('lambda:InvokedViaFunctionUrl', 'true')
                WHEN 0 THEN json_object('lambda:InvokedViaFunctionUrl', 'false') END,
            'ArnLike', CASE WHEN json_extract(value, '$.source_arn') IS NOT NULL
                THEN json_object('AWS:SourceArn', json_extract(value, '$.source_arn')) END)), '{}'))
    ))) FROM json_each(permissions)));
ALTER TABLE policies RENAME COLUMN permissions TO document;
