// SPDX-License-Identifier: MIT
#include "protocol/base/entries.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <dirent.h>
#include <dlfcn.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <set>
#include <string>

using namespace xk;
using namespace xk::test;
namespace fs = std::filesystem;

namespace {
std::optional<int> calls_left; // of readdir(3); after them it fails
}

// It stands before the C library's own, also for the C++ library.
extern "C" dirent* readdir(DIR* directory) {
    static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
    if (!calls_left || (*calls_left)-- > 0)
        return real(directory);
    errno = EIO;
    return nullptr;
}

TEST_CASE("all entries of a directory are found, and may be removed meanwhile") {
    const TemporaryDirectory directory;
    std::set<std::string> wanted, found;
    for (int i = 0; i < 300; ++i) {
        wanted.insert("entry" + std::to_string(i));
        std::ofstream(fs::path(directory.path()) / ("entry" + std::to_string(i)));
    }
    std::error_code code;
    for (const auto& entry : entries_of(directory.path(), code)) {
        CHECK(found.insert(entry.path().filename()).second);
        CHECK(fs::remove(entry.path()));
    }
    CHECK_FALSE(code);
    CHECK(found == wanted);
    CHECK(entries_of(directory.path(), code).empty());
    CHECK_FALSE(code);
}

TEST_CASE("a directory that cannot be read, or not to its end, is an error code and no exception") {
    const TemporaryDirectory directory;
    for (int i = 0; i < 10; ++i)
        std::ofstream(fs::path(directory.path()) / ("entry" + std::to_string(i)));
    std::error_code code;
    CHECK(entries_of(directory.path() + "/none", code).empty());
    CHECK(code == std::errc::no_such_file_or_directory);
    for (const int calls : {0, 1, 6}) {
        CAPTURE(calls);
        calls_left = calls;
        CHECK(entries_of(directory.path(), code).size() <= static_cast<std::size_t>(calls));
        calls_left.reset();
        CHECK(code == std::errc::io_error);
    }
    CHECK(entries_of(directory.path(), code).size() == 10);
    CHECK_FALSE(code);
}
