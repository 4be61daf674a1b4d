# Phoenix messages that no client may send, to programs under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('027_phoenix_input.pl');
