// SPDX-License-Identifier: MIT
#include "client/profile_list.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <fstream>

using namespace xk;
using namespace xk::client;

namespace {

class Profiles {
  public:
    void add(const std::string& name, const std::string& more = "", mode_t mode = 0600) const {
        const std::string file = path() + "/" + name;
        std::ofstream(file) << "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\ncredential: \"78b43b124fd41ca6\"\n"
                               "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\nfactor: none\n"
                            << more;
        REQUIRE(::chmod(file.c_str(), mode) == 0);
    }
    std::string path() const { return directory_.path(); }
    Error none_for(const std::string& host) const { return no_profile_for(path(), host); }

  private:
    test::TemporaryDirectory directory_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("profiles are listed by name, with the reason where one is refused, and nothing else is") {
    const Profiles profiles;
    profiles.add("b.yaml");
    profiles.add("a.yaml", "wiat: 1s\n");
    profiles.add("config.yaml"); // the user's settings
    profiles.add("c.yml");
    const auto all = list_profiles(profiles.path());
    REQUIRE(all.has_value());
    REQUIRE(all->size() == 2);
    CHECK(has((*all)[0].file, "/a.yaml"));
    REQUIRE_FALSE((*all)[0].profile.has_value());
    CHECK(has((*all)[0].profile.error().message, "wiat"));
    CHECK((*all)[1].profile.has_value());
    CHECK_FALSE(list_profiles(profiles.path() + "/nowhere").has_value());
}

TEST_CASE("a host that nobody knows is compared with aliases, files and hosts, also with those of a refused file") {
    const Profiles profiles;
    profiles.add("work.yaml", "name: office\nhosts: [\"server.example.net\"]\n");
    profiles.add("backup.yaml", "", 0644);
    for (const auto& [typed, meant] : {std::pair("wrok", "work"),
                                       {"offise", "office"},
                                       {"sever.example.net", "server.example.net"},
                                       {"bakcup", "backup"}})
        CHECK(profiles.none_for(typed).hint == "did you mean \"" + std::string(meant) + "\"?");
    CHECK(profiles.none_for("work").exit == Exit::configuration);
}

TEST_CASE("a refused file is named with its reason, and its hint counts where no name is near") {
    const Profiles profiles;
    profiles.add("work.yaml", "", 0644);
    const Error error = profiles.none_for("something.else.example");
    CHECK(has(error.message, "work.yaml"));
    CHECK(has(error.message, "can be read by others"));
    CHECK(has(error.hint, "chmod"));
}

TEST_CASE("many refused files are counted, and a few are named") {
    const Profiles profiles;
    for (int i = 0; i < 8; ++i)
        profiles.add("old" + std::to_string(i) + ".yaml", "", 0644);
    const Error error = profiles.none_for("something.else.example");
    CHECK(has(error.message, "old4.yaml"));
    CHECK_FALSE(has(error.message, "old5.yaml"));
    CHECK(has(error.message, "refused: 3 more"));
}

TEST_CASE("a directory that is not there is named") {
    const Profiles profiles;
    const Error error = no_profile_for(profiles.path() + "/nowhere", "server");
    CHECK(has(error.message, "No such file or directory"));
    CHECK(has(error.hint, "enroll"));
}
