# HTTP requests that no client may send, to programs under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('026_http_input.pl');
