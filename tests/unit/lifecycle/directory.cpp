// SPDX-License-Identifier: MIT
#include "tests/unit/lifecycle/recorder.h"

#include <cstdlib>
#include <filesystem>

namespace xk::test {

Directory::Directory() {
    char name[] = "/tmp/xk-lifecycle.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
}

Directory::~Directory() { std::filesystem::remove_all(path); }

} // namespace xk::test
