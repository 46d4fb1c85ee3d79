// SPDX-License-Identifier: MIT
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <doctest/doctest.h>

#include <fcntl.h>

#include <memory>

namespace {
xk::Result<std::unique_ptr<int>> make(bool good) {
    if (good)
        return std::make_unique<int>(7);
    return xk::Error{"no", "try again", xk::Exit::configuration};
}
} // namespace

TEST_CASE("a result is a value or an error") {
    auto good = make(true);
    REQUIRE(good);
    CHECK(**good == 7);
    const std::unique_ptr<int> moved = *std::move(good);
    CHECK(*moved == 7);

    auto bad = make(false);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().message == "no");
    CHECK(std::move(bad).error().within("outer").message == "outer: no");
}

TEST_CASE("errno is taken at once") {
    errno = ENOENT;
    CHECK(xk::os_error("x").message == "x: No such file or directory");
    CHECK(xk::os_error_of(-EPERM, "y").message == "y: Operation not permitted");
}

TEST_CASE("a descriptor has one owner, who closes it") {
    xk::Fd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(a);
    const int raw = a.get();
    xk::Fd b(std::move(a));
    CHECK_FALSE(a);
    CHECK(b.get() == raw);
    b.reset();
    CHECK(::fcntl(raw, F_GETFD) == -1);
}
