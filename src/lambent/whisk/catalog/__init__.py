"""The actions of `/whisk.system`: one file an action, as users may read them."""
