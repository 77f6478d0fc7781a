/* Stands for a library that the machine lacks. */
int registry_fake_needed(void);
int registry_fake_needed(void) { return 1; }
