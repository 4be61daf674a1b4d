# WebSocket frames that no client may send, to programs under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('025_websocket_input.pl');
