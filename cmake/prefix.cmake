# Before anything is installed: the units' ExecStart names the prefix, so that it must be one that they can name.
install(CODE "
  if(NOT IS_ABSOLUTE \"\${CMAKE_INSTALL_PREFIX}\" OR \"\${CMAKE_INSTALL_PREFIX}\" MATCHES \"[ \\t%$\\\"']\")
    message(FATAL_ERROR \"PREFIX is \\\"\${CMAKE_INSTALL_PREFIX}\\\": an absolute path without white space, quotes, % and $ is needed, for the systemd units name it (DESTDIR may be any)\")
  endif()")
