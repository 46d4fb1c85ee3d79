// SPDX-License-Identifier: MIT
#include "pin_directory.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>

namespace xk::test {

PinDirectory::PinDirectory() {
    REQUIRE(::mkdtemp(path_) != nullptr);
    REQUIRE(::mount("bpf", path_, "bpf", 0, nullptr) == 0);
}

PinDirectory::~PinDirectory() {
    ::umount2(path_, MNT_DETACH);
    ::rmdir(path_);
}

xdp::FilterSettings settings() {
    xdp::FilterSettings settings;
    settings.knock_port = 62201;
    return settings;
}

xdp::Filter PinDirectory::load(std::vector<std::string>* notes) const { return load(settings(), pins(), notes); }

xdp::Filter PinDirectory::load(const xdp::FilterSettings& settings, const std::string& pins,
                               std::vector<std::string>* notes) const {
    auto filter = xdp::Filter::load(settings, pins, [&](const std::string& note) {
        if (notes == nullptr)
            FAIL(note);
        else
            notes->push_back(note);
    });
    REQUIRE_MESSAGE(filter.has_value(), filter.error().message);
    return *std::move(filter);
}

Error PinDirectory::refusal() const {
    auto filter = xdp::Filter::load(settings(), pins(), [](const std::string&) {});
    REQUIRE_FALSE(filter.has_value());
    return filter.error();
}

} // namespace xk::test
