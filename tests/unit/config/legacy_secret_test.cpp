// SPDX-License-Identifier: MIT
//
// The .key files of old clients, as their users' own files have the keys.
#include "daemon/config/legacy_secret.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>

#include <fstream>
#include <string>

using namespace xk;
using authz::DeviceKind;

namespace {

const std::string kKey = "KEY_BASE64    MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
const std::string kHmac = "HMAC_KEY_BASE64    MDEyMzQ1Njc4OWFiY2RlZg==\n";

// Why the file is none of that kind; empty if it is.
std::string fault(DeviceKind kind, const std::string& text) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.path() + "/a.key";
    std::ofstream(path) << text;
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    Secret<authz::LegacySecret> secret;
    const auto read = config::read_legacy_secret(fd, kind, *secret);
    return read ? "" : read.error().message;
}

std::string fwknop(const std::string& text) { return fault(DeviceKind::fwknop, text); }

} // namespace

TEST_CASE("the keys of a .fwknoprc are read, in either order and form") {
    CHECK(fwknop(kKey + kHmac) == "");
    CHECK(fwknop(kHmac + "\n" + kKey) == "");
    CHECK(fwknop("KEY  a passphrase \r\nHMAC_KEY another\r\n") == "");
    CHECK(fwknop("KEY " + std::string(32, 'k') + "\n" + kHmac) == "");
}

TEST_CASE("which line of a .fwknoprc is wrong is said, and why, without the key") {
    CHECK(fwknop("KEY " + std::string(36, 'k') + "\n" + kHmac) ==
          "line 1: KEY has 36 characters, and can have 1 to 32");
    CHECK(fwknop(kHmac + "KEY\n") == "line 2: KEY has 0 characters, and can have 1 to 32");
    CHECK(fwknop(kKey + kHmac + kKey + kHmac) == "line 3: is a second KEY");
    CHECK(fwknop(kKey + kHmac + kHmac) == "line 3: is a second HMAC_KEY");
    CHECK(fwknop(kKey + "USE_HMAC  Y\n" + kHmac) == "line 2: is neither KEY nor HMAC_KEY, with or without _BASE64");
    CHECK(fwknop(kKey + "HMAC_KEY_BASE64 MDEyMw==;\n") == "line 2: HMAC_KEY is not the base64 of 1 to 128 bytes");
    CHECK(fwknop("KEY_BASE64 AAAAAAAA\n" + kHmac) == "line 1: KEY is not the base64 of 1 to 32 bytes");
    CHECK(fwknop(kKey) == "has no HMAC_KEY");
    CHECK(fwknop(kHmac) == "has no KEY");
    CHECK(fwknop("") == "has no KEY");
}

TEST_CASE("a key of capyknock is 32 bytes of base64url and not all zero") {
    CHECK(fault(DeviceKind::capyknock, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n") == "");
    for (const char* bad : {"", "MDEyMw==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KEY a"})
        CHECK(fault(DeviceKind::capyknock, bad) == "is not a key of capyknock");
}
