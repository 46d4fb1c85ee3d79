// SPDX-License-Identifier: MIT
#include "client/ssh_files.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::client;
namespace fs = std::filesystem;

namespace {

struct Home {
    test::TemporaryDirectory directory;
    std::string ssh = std::string(directory.path()) + "/.ssh";
    SshFiles files{ssh};
    Home() { REQUIRE(::mkdir(ssh.c_str(), 0700) == 0); }
    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::ofstream(ssh + "/" + name) << text;
        REQUIRE(::chmod((ssh + "/" + name).c_str(), mode) == 0);
    }
    std::string read(const std::string& name) const {
        std::ifstream in(ssh + "/" + name);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    mode_t mode(const std::string& name) const {
        struct stat st {};
        REQUIRE(::stat((ssh + "/" + name).c_str(), &st) == 0);
        return st.st_mode & 07777;
    }
};

} // namespace

TEST_CASE("no configuration of ssh is nothing, and a new one is this user's alone") {
    const Home home;
    const auto none = home.files.read_config();
    REQUIRE(none.has_value());
    CHECK_FALSE(none->has_value());
    REQUIRE(home.files.write_config("Host *\n").has_value());
    CHECK(home.mode("config") == 0600);
    CHECK(home.files.read_config().value() == std::optional<std::string>("Host *\n"));
}

TEST_CASE("the mode of a configuration stays, and one that others may write is refused") {
    const Home home;
    home.write("config", "Host *\n", 0640);
    REQUIRE(home.files.write_config("Host a\n").has_value());
    CHECK(home.mode("config") == 0640);
    home.write("config", "Host *\n", 0666);
    const auto refused = home.files.read_config();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().hint.find("Include xknock.d/*.conf") != std::string::npos);
}

TEST_CASE("behind a link the file changes and the link stays, also where the file would go") {
    const Home home;
    home.write("real", "Host *\n");
    fs::create_symlink("real", home.ssh + "/config");
    REQUIRE(home.files.write_config("Host a\n").has_value());
    CHECK(home.read("real") == "Host a\n");
    REQUIRE(home.files.remove_config().has_value());
    CHECK(fs::is_symlink(home.ssh + "/config"));
    CHECK(home.read("real").empty());
    fs::remove(home.ssh + "/real");
    CHECK_FALSE(home.files.read_config().has_value());
    CHECK_FALSE(home.files.write_config("Host a\n").has_value());
}

TEST_CASE("a configuration that is no link goes") {
    const Home home;
    home.write("config", "Host *\n");
    REQUIRE(home.files.remove_config().has_value());
    CHECK_FALSE(fs::exists(home.ssh + "/config"));
}

TEST_CASE("a host's file is made and taken away with its directory, unless another one is there") {
    const Home home;
    REQUIRE(home.files.write_host("a", "Host a\n").has_value());
    CHECK(home.mode("xknock.d") == 0700);
    CHECK(home.mode("xknock.d/a.conf") == 0600);
    CHECK_FALSE(home.files.has_other_hosts("a").value());
    REQUIRE(home.files.write_host("b", "Host b\n").has_value());
    CHECK(home.files.has_other_hosts("a").value());
    REQUIRE(home.files.remove_host("a").has_value());
    CHECK(home.read("xknock.d/b.conf") == "Host b\n");
    REQUIRE(home.files.remove_host("b").has_value());
    CHECK_FALSE(fs::exists(home.ssh + "/xknock.d"));
    CHECK(home.files.remove_host("b").has_value());
    CHECK_FALSE(home.files.has_other_hosts("b").value());
}

TEST_CASE("a host's file that others may write is written anew, with its own mode") {
    const Home home;
    REQUIRE(home.files.write_host("a", "Host a\n").has_value());
    REQUIRE(::chmod((home.ssh + "/xknock.d/a.conf").c_str(), 0666) == 0);
    REQUIRE(home.files.write_host("a", "Host a\n").has_value());
    CHECK(home.mode("xknock.d/a.conf") == 0600);
}
