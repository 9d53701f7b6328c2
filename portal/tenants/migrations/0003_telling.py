"""How many notices a member has not read: shown on every page, so kept with what it reads."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0002_security'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='unread',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
