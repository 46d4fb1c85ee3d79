// SPDX-License-Identifier: MIT
//
// Etc: a whole configuration in a directory of the test's own.
#pragma once

#include "daemon/config/config.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace xk::test {

// A configuration directory that is right in every respect, to be spoiled by one change at a time.
struct Etc {
    TemporaryDirectory itself;
    const std::filesystem::path path = itself.path();

    Etc() {
        for (const char* directory : {"users", "credentials"})
            std::filesystem::create_directory(path / directory);
        write("server_id", "000102030405060708090a0b0c0d0e0f\n");
        write("xknock.yaml", kMain);
        write("users/anna.yaml", "name: anna\nservices: [ssh, web]\n");
        write("users/bob.yaml", "name: bob\nservices: ssh\nbinding: match\nlifetime: 10s\nmax_lifetime: 20s\n");
        credential("anna.laptop", "user: anna\ndevice: laptop\nid: 0000000000000001\nfactor: totp\n");
        credential("anna.phone", "user: anna\ndevice: phone\nid: 0000000000000002\nfactor: hmac\n");
        credential("bob.pc", "user: bob\ndevice: pc\nid: 0000000000000003\nfactor: none\n");
    }

    static constexpr const char* kMain = "interfaces: [eth0, eth1]\n"
                                         "services:\n"
                                         "  ssh: tcp/22\n"
                                         "  web: [tcp/80, tcp/443]\n"
                                         "process: {user: 62001, worker_user: 62002}\n";

    void write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        const auto file = (path / name).string();
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
    }
    void credential(const std::string& stem, const std::string& text) const {
        write("credentials/" + stem + ".yaml", text);
        write("credentials/" + stem + ".key", std::string(44, 'A'), 0600);
        write("credentials/" + stem + ".otp", std::string(44, 'A'), 0600);
    }
    // With faulty files of users and credentials left out.
    Result<config::Config> load_others() const {
        return config::load_config((path / "xknock.yaml").string(), config::Identity::required,
                                   config::UserFaults::disable);
    }
    Result<config::Config> load() const { return config::load_config((path / "xknock.yaml").string()); }

    config::Config good() const {
        auto config = load();
        REQUIRE_MESSAGE(config.has_value(), (config ? "" : config.error().message));
        return *std::move(config);
    }
    // What is wrong, with the directory cut from the paths.
    std::string bad() const {
        const auto config = load();
        if (config)
            return "(loaded)";
        CHECK(config.error().exit == Exit::configuration);
        std::string text = config.error().message;
        for (std::size_t at; (at = text.find(path.string() + "/")) != std::string::npos;)
            text.erase(at, path.string().size() + 1);
        return text;
    }
    std::string bad_main(const std::string& text) const {
        write("xknock.yaml", text);
        return bad();
    }
    std::string bad_added(const std::string& text) const { return bad_main(kMain + text); }
};

inline bool has(const std::string& text, const std::string& part) {
    if (text.find(part) == std::string::npos)
        MESSAGE("not in: " << text);
    return text.find(part) != std::string::npos;
}

} // namespace xk::test
