-- Version 2: what hangs on functions besides their versions, and what an account has besides functions.

CREATE TABLE aliases (
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
    document TEXT NOT NULL,                 -- model.alias.Alias as JSON
    PRIMARY KEY (account, region, name, alias)
);

CREATE TABLE function_settings (            -- concurrency, runtime management, recursion and the like
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    qualifier TEXT NOT NULL DEFAULT '',     -- '' for the unqualified function
    kind TEXT NOT NULL,
    document TEXT NOT NULL,                 -- JSON object
    PRIMARY KEY (account, region, name, qualifier, kind)
);

CREATE TABLE layers (
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL,
    next_version INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (account, region, name)
);

CREATE TABLE layer_versions (               -- a deleted one stays as long as a function uses it
    account TEXT NOT NULL, region TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL,                 -- model.layer.LayerVersion as JSON
    PRIMARY KEY (account, region, name, version)
);

CREATE TABLE resources (                    -- code signing configurations, capacity providers
    account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    document TEXT NOT NULL,                 -- JSON object
    tags TEXT NOT NULL DEFAULT '{}',        -- JSON object
    PRIMARY KEY (account, region, kind, name)
);
