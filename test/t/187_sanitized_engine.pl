# Engine.IO and Socket.IO, the good and the bad, with programs under ASan and UBSan.

use strict;
use warnings;

use SanitizedPrograms;

SanitizedPrograms::again('116_socket_io.pl');
